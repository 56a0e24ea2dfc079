"""What the data means: levels of coverage, MC/DC, and gaps."""
