"""What every room speaks: parameters, inputs, results, scope, progress, runs, geometry."""
