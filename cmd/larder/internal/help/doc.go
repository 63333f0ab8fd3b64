// Package help is what the program says of its own command line: help pages of 80 columns,
// manual pages, and what a shell may complete. All of it is read from the one tree of
// commands that the program runs by, so that none of it can differ from what is accepted.
//
// It knows the library of the command line and no command: how a page looks is here, what is
// in it is beside the code of each command.
package help
