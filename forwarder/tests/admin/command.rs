//! The `forwarder` command.
