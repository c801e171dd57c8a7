"""Where tasks run: Ray on this machine or a cluster, its workers, and what is done when one dies."""
