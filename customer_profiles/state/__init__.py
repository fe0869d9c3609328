"""Where everything is kept: engines, transactions, bulk writes, cursors, generations, migrations."""
