"""What makes a model's opinion of a text a measurement: rubrics asked, gold labels, calibration, attacks."""
