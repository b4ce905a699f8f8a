"""Export trained models to other formats (`seqcli.export` is the function)."""
