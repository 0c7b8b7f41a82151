"""Whether training is the right step at all: measured on a collection, with the reasons and the cheaper steps first."""
