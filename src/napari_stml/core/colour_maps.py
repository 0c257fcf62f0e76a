"""The colour maps of numbers as 41 colours each, between which is interpolated.

Canvas, charts and figures thus show the same colours, with or without napari and matplotlib. The
published 256 colours differ by less than 1.5 of 255 (cividis: 5, in its first steps).

viridis, magma, inferno: N. Smith and S. van der Walt (CC0). cividis: J. Nunez, C. Anderton and
R. Renslow (CC0). turbo: A. Mikhailov (Apache-2.0). RdBu: C. Brewer (Apache-2.0).
"""

from __future__ import annotations

ANCHORS = {
    "viridis": (
        "440154460a5d481466481c6e482575472d7b463480433c844144873e4b893b528b38598c345f8d32668e"
        "2f6c8e2c728e2a788e277e8e25848e238a8d21908c1f968b1e9c891fa28722a88428ae802fb47c38b977"
        "43bf714fc46a5dc9636bcd5a7ad1518ad5479ad93dabdc32bcdf27cde11ddde318eee51bfde725"
    ),
    "magma": (
        "00000403020e07061b0d0a29150e371d11462612563011643b0f7046107750127c5a167e641a806e1e81"
        "7822818226818c2981972c80a1307eab337cb63779c03a76ca3e72d4436dde4968e65163ed5a5ff2645c"
        "f66f5cf97b5dfb8761fd9366fe9f6dfeab75feb77efec387fece91fdda9cfde6a7fcf1b3fcfdbf"
    ),
    "cividis": (
        "00224e002758002b6400306f0a34701a386f253d6e2e416d35456c3c4a6c434e6c49536c4f576c555c6d"
        "5b606e61656f6669706c6e727172747777767c7b788280788885788e8a78948e779b9376a19875a79d73"
        "aea271b4a86fbbad6cc2b269c8b866cfbd62d6c35dddc958e4ce52ebd44bf3da43fae039fee838"
    ),
    "inferno": (
        "00000403020f07051d0f092b170b3b210c4a2c0b57370961420a684c0c6b57106d61146e6b176e751b6e"
        "7f1f6c89226a9326679e2964a82d5fb1325abb3755c43c4fcd4248d54941dd513ae35932e9622aef6c22"
        "f3771af78212f98d0afb9906fca50afcb115fbbd23f9ca32f6d644f3e259f1ee72f4f78cfcffa4"
    ),
    "turbo": (
        "30123b3825683e37904249b1455acd466be3467bf3458bfd3e9bfe34abf829bbec1fc9dc19d6cc19e1bb"
        "21eaac31f29946f8845ffc6e78fe5a8fff49a3fd3cb4f836c4f134d3e835e1dd37edd03af6c33afbb537"
        "fea531fe932afb8022f76d19f05b12e84b0cde3d08d23105c42503b51b01a31201900b017a0403"
    ),
    "RdBu_r": (
        "0530610c3e74134b871a59992166ab2a71b2327db83b88bd4393c357a0ca6bacd07eb9d792c5dea2cde3"
        "b2d5e7c1ddecd1e5f0dbeaf2e4eef4eef3f5f7f7f6f8f0ebfae9dffce2d3fddbc7fbcdb6f9c0a4f6b293"
        "f4a582ec9475e58267de715ad6604dcd4e44c43c3cbb2a34b2182b9f12288c0c257a062267001f"
    ),
    "gray": "000000ffffff",
}
"""Hex colours, six letters each, evenly spaced."""
