"""Show a comparison: tables, plots and one page, each naming the convention of its numbers."""
