//go:build !failpoint

package failpoint

// Here is a step of a command.
func Here(string) {}
