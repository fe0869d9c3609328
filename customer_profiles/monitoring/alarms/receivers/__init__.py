"""Who is told of alarms: one class a kind of receiver, each speaking its own protocol."""
