"""Streamlit page over the result store. Never imports torch."""
