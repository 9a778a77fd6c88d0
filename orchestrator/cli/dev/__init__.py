"""`perdure dev`: an engine and an app in one terminal, for whoever writes the app."""
