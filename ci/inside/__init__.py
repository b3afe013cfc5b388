"""What runs inside the sandbox, beside submitted code; nothing it says is believed."""
