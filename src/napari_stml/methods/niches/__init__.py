"""Who lives next to whom: neighbourhoods, their composition, contacts and networks of niches."""
