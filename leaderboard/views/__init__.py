"""Frames and charts for the pages: DataFrame in, DataFrame or Altair chart out. No widgets."""
