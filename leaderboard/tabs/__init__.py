"""What the visitor can turn to: widgets and layout. Each file has one function `show(view)`."""
