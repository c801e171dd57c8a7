"""The `curate` command and the Prefect flow around the pipeline. Thin: what a run does is decided in `curate`."""
