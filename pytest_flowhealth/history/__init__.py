"""What earlier runs measured: kept in one SQLite file, rolled up, asked for again."""
