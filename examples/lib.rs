//! One file for each way to use the plugin; they are beside this one.
