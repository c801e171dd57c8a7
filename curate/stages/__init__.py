"""One file, one stage, in the order that data flows: extract, measure, dedup, select, judge, synthesize, publish."""
