// Package failpoint names the steps of a command at which a test may end or hold
// the process. A program built without the tag failpoint has none of it: Here is
// empty there, and compiled away. It imports nothing of ours, so that any package may name its
// steps.
//
// With the tag, LARDER_FAILPOINT says what happens, as a list separated by commas:
//
//	NAME=kill       the process ends by SIGKILL when it comes to the step
//	NAME=hold:DIR   it makes the file DIR/NAME.here and waits for DIR/NAME.go
//	*=log:FILE      the name of every step it comes to is a line of FILE
//
// NAME#2 is the second time that a process comes to the step. A name is
// "command: step", as in "publish: rename objects"; in file names it has dashes
// in the place of what is neither letter nor digit.
package failpoint
