//! Arguments of every command that runs a network.
