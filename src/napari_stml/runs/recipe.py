"""A recipe: sections x steps, and what is taken out at the end; YAML, checked before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_stml.core.errors import StmlError
from napari_stml.core.params import hints
from napari_stml.runs.parameters import (
    did_you_mean,
    load_modules,
    named_analysis,
    plain,
    read_params,
)
from napari_stml.runs.recipe_text import RecipeText

if TYPE_CHECKING:
    from napari_stml.core.params import LiveParams, Params

SCHEMA = 1
TABLES = (".h5ad", ".csv", ".parquet")
FIGURES = (".pdf", ".svg", ".png", ".tif", ".tiff", ".jpg")
FORMATS = (*TABLES, *FIGURES, ".html", ".geojson")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ScopeEntry(_Strict):
    """Regions of some classes ("*": all), or observations that pass tests; neither: the whole."""

    regions: tuple[str, ...] = ()
    filter: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        if value == "whole":
            return {}
        if not isinstance(value, dict | ScopeEntry) or not value:
            raise ValueError("a scope is 'whole', 'regions: CLASS' or 'filter: COLUMN'")
        return value

    @field_validator("regions", "filter", mode="before")
    @classmethod
    def _one_is_enough(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> ScopeEntry:
        if self.regions and self.filter:
            raise ValueError("a scope names either regions or a filter")
        return self


class SectionEntry(_Strict):
    """One section, or all that a pattern finds. Paths count from the recipe's folder."""

    path: str | tuple[str, ...]
    name: str = Field("", pattern=r"^[\w .\-]*$")
    um_per_px: float | tuple[float, float] | None = None
    choices: dict[str, Any] = {}
    scope: ScopeEntry = ScopeEntry.model_construct()


class Step(_Strict):
    """One analysis on every section, or once over all where the analysis takes many.

    ``from`` fills parameters with values of earlier steps: ``embedding: embed/X_pca``.
    """

    analysis: str
    name: str = ""
    params: dict[str, Any] = {}
    values_from: dict[str, str] = Field({}, alias="from")
    live: dict[str, Any] = {}
    title: str = ""
    seed: int | None = None
    scope: ScopeEntry | None = None
    sections: Literal["each", "many"] | None = None

    @property
    def label(self) -> str:
        return self.name or self.analysis

    @property
    def sources(self) -> frozenset[str]:
        """Names before the slash in ``from`` and in a filter: of steps, where there are such."""
        tests = self.scope.filter if self.scope is not None else ()
        named = (t.partition("/")[0] for t in tests if "/" in t)
        return frozenset((*(v.partition("/")[0] for v in self.values_from.values()), *named))


class FigureEntry(_Strict):
    """How a figure is drawn; the words and defaults of `napari-stml figure`."""

    values: tuple[str, ...] = ()
    width_mm: float | None = Field(None, ge=20, le=2000)
    dpi: int = Field(300, ge=36, le=2400)
    limits: tuple[float, float] | None = None
    region: str | None = None
    map: str = ""
    title: str | None = None
    opacity: float = Field(0.8, ge=0, le=1)
    image: bool = True
    scales: Literal["auto", "shared", "own"] = "auto"
    columns: int = Field(0, ge=0)

    @field_validator("values", mode="before")
    @classmethod
    def _one_is_enough(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Output(_Strict):
    """A file for every section; ``{section}`` in its name becomes the section's name.

    Its ending decides: a table, a figure of what ``figure`` says, the report, the regions.
    """

    file: str
    steps: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    names: dict[str, str] = {}
    figure: FigureEntry | None = None

    @field_validator("file")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if Path(value).suffix.lower() not in FORMATS:
            raise ValueError(f"the name must end in {', '.join(FORMATS)}")
        return value

    @model_validator(mode="after")
    def _what_the_format_knows(self) -> Output:
        ending = Path(self.file).suffix.lower()
        if (self.figure is not None) and ending not in FIGURES:
            raise ValueError(f"a figure ends in {', '.join(FIGURES)}")
        if ending not in TABLES:
            if self.columns is not None or self.names:
                raise ValueError("columns and names are for tables")
            return self
        whole = ending == ".h5ad"
        if whole and self.columns is not None:
            raise ValueError("an .h5ad holds all columns and genes; choose columns for a .csv")
        if self.names and not whole:
            raise ValueError("other names are for an .h5ad")
        return self


class Recipe(_Strict):
    """Everything a cohort is computed with."""

    recipe: Literal[1]
    sections: tuple[SectionEntry, ...] = Field(min_length=1)
    steps: tuple[Step, ...] = ()
    outputs: tuple[Output, ...] = ()
    seed: int = Field(0, ge=0)
    threads: int = Field(1, ge=1)
    device: str = "cpu"
    modules: tuple[str, ...] = ()
    folder: str = ""

    @field_validator("sections", mode="before")
    @classmethod
    def _paths_are_enough(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [{"path": v} if isinstance(v, str) else v for v in value]
        return value

    @field_validator("outputs", mode="before")
    @classmethod
    def _files_are_enough(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [{"file": v} if isinstance(v, str) else v for v in value]
        return value

    def step(self, label: str) -> Step:
        return next(s for s in self.steps if s.label == label)

    def params(self, step: Step, more: dict[str, Any] | None = None) -> Params:
        """The parameters of a step; files count from the recipe's folder."""
        kind = named_analysis(step.analysis)
        raw = {**step.params, **(more or {})}
        params: Params = read_params(kind.Params, self._placed(kind.Params, raw), step.label)
        return params

    def live(self, step: Step) -> LiveParams | None:
        if not step.live:
            return None
        kind = named_analysis(step.analysis)
        if not hasattr(kind, "LiveParams"):
            raise StmlError(f"{kind.title} has nothing live", where=step.label, do="remove live")
        live: LiveParams = read_params(kind.LiveParams, step.live, f"{step.label}, live")
        return live

    def _placed(self, model: type[Params], raw: dict[str, Any]) -> dict[str, Any]:
        placed = dict(raw)
        for name, info in model.model_fields.items():
            is_file = hints(info).get("source") in {"file", "folder"}
            if is_file and isinstance(placed.get(name), str) and placed[name]:
                placed[name] = str((Path(self.folder) / Path(placed[name]).expanduser()).resolve())
        return placed


def read_recipe(path: Path | str) -> Recipe:
    """Read and check a recipe; an error names the line and the step."""
    text = RecipeText.read(Path(path))
    values = text.values
    if not isinstance(values, dict):
        raise text.error("A recipe is a list of sections and steps", ())
    if values.get("recipe") != SCHEMA:
        raise text.error(
            "This file does not say that it is a recipe of a known version", ("recipe",),
            f"begin it with 'recipe: {SCHEMA}'",
        )  # fmt: skip
    if "folder" in values:
        raise text.error("There is no entry 'folder'", ("folder",), "paths count from the recipe")
    try:
        recipe = Recipe.model_validate({**values, "folder": str(Path(path).resolve().parent)})
    except ValidationError as error:
        raise _said(error, text) from error
    load_modules(recipe.modules)
    _check_steps(recipe, text)
    return recipe


def _check_steps(recipe: Recipe, text: RecipeText) -> None:
    """What can be known before anything is opened."""
    earlier: list[str] = []
    for i, step in enumerate(recipe.steps):
        at = ("steps", i)
        if step.label in earlier:
            raise text.error(
                f"Two steps are called '{step.label}'", at, "give one of them another name:"
            )
        try:
            kind = named_analysis(step.analysis)
        except StmlError as error:
            raise text.error(error.what, (*at, "analysis"), error.do) from error
        if step.sections is not None and (step.sections == "many") != (kind.sections == "many"):
            takes = "all sections at once" if kind.sections == "many" else "each section by itself"
            raise text.error(f"{kind.title} takes {takes}", (*at, "sections"))
        _check_references(recipe, step, kind, earlier, text, at)
        _check_values(recipe, step, text, at)
        earlier.append(step.label)
    for i, output in enumerate(recipe.outputs):
        for name in output.steps or ():
            if name not in earlier:
                advice = did_you_mean(name, earlier)
                raise text.error(f"There is no step '{name}'", ("outputs", i, "steps"), advice)


def _check_references(
    recipe: Recipe,
    step: Step,
    kind: Any,
    earlier: list[str],
    text: RecipeText,
    at: tuple[str | int, ...],
) -> None:
    for field, value in step.values_from.items():
        source, place = value.partition("/")[0], (*at, "from", field)
        if field not in kind.Params.model_fields:
            advice = did_you_mean(field, kind.Params.model_fields)
            raise text.error(f"{kind.title} has no parameter '{field}'", place, advice)
        if field in step.params:
            raise text.error(f"'{field}' stands in params and in from", place)
        if source not in earlier:
            advice = did_you_mean(source, earlier) or "name a step above this one"
            raise text.error(f"There is no earlier step '{source}'", place, advice)
        _check_value(recipe.step(source), value, text, place)
    for test in step.scope.filter if step.scope is not None else ():
        source = test.partition("/")[0]
        if "/" in test and source in earlier:
            named = test.partition("!=")[0].partition("=")[0]
            _check_value(recipe.step(source), named, text, (*at, "scope"))


def _check_value(step: Step, value: str, text: RecipeText, place: tuple[str | int, ...]) -> None:
    """Refuse a value that the earlier step never leaves, where its analysis says what it does."""
    gives = getattr(named_analysis(step.analysis), "gives", None)
    name = value.partition("/")[2].strip()
    if gives is not None and name not in gives:
        advice = did_you_mean(name, gives) or f"choose one of {', '.join(gives)}"
        raise text.error(f"The step '{step.label}' leaves no value '{name}'", place, advice)


def _check_values(recipe: Recipe, step: Step, text: RecipeText, at: tuple[str | int, ...]) -> None:
    try:
        recipe.params(step, dict(step.values_from))
        recipe.live(step)
    except StmlError as error:
        cause = error.__cause__
        key = cause.errors()[0]["loc"][:1] if isinstance(cause, ValidationError) else ()
        part = "live" if step.live and ", live" in error.where else "params"
        raise text.error(error.what, (*at, part, *key), error.do) from error


def _said(error: ValidationError, text: RecipeText) -> StmlError:
    first = error.errors()[0]
    loc = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        known = _fields_at(loc)
        advice = did_you_mean(str(loc[-1]), known) or f"known here: {', '.join(known)}"
        return text.error(f"There is no entry '{loc[-1]}'", loc, advice)
    if first["type"] == "missing":
        return text.error(f"The entry '{loc[-1]}' is missing", loc[:-1])
    return text.error(f"'{loc[-1] if loc else ''}' is not right: {plain(first['msg'])}", loc)


def _fields_at(loc: tuple[str | int, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "sections": SectionEntry, "steps": Step, "outputs": Output,
    }  # fmt: skip
    model = models.get(str(loc[0]), Recipe) if len(loc) > 1 else Recipe
    if "scope" in loc[:-1]:
        model = ScopeEntry
    if "figure" in loc[:-1]:
        model = FigureEntry
    return [i.alias or n for n, i in model.model_fields.items() if n != "folder"]
