"""Files of a GWAS and of gsMap: summary statistics, panels, annotations, resources, results."""
