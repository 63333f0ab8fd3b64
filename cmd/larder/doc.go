// Command larder stocks a container host with Python packages, once, and gives
// each container its own copy-on-write view of them.
//
// # The life of one container's cache
//
//	larder build      ranks packages, fetches and checks their wheels, unpacks them
//	                  into layers, and seals all of it as a snapshot
//	larder mount      keeps that snapshot mounted, so that an attach takes microseconds
//	larder-hook       gives a container the snapshot with a private upper on top
//	larder run        does the same for one command, without a container runtime
//	larder gc         removes what no container and no policy needs any more
//
// Each command is one file named after it; main.go lists them, app.go holds what
// they share, exit.go is the one table of exit codes.
//
// # What scripts may rely on
//
// Data goes to standard output (with --json as JSON with stable field names,
// errors included), everything else to standard error as "larder: …", lower
// case, without a full stop, advice on a line of its own as "hint: …".
package main
