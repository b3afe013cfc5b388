"""What continuous integration needs beside the tests."""
