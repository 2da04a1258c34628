"""A small realtime server in Supabase's shape: Phoenix channels, broadcasts from the database, presence."""
