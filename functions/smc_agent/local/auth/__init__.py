"""A small auth server in Supabase's shape: passwords, sessions, one-time tokens, JSON web tokens."""
