package source

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"larder/builder/sandbox"
)

// Failure is why a source is not built: a fault of its own, which another try with the same recipe
// meets again.
type Failure struct {
	Reason string // one of the words below
	Detail string // one line for people
}

// The reasons.
const (
	NeedsNetwork       = "needs-network"       // the build asks for something outside of the sandbox
	MissingHeader      = "missing-header"      // of a C library, or the library itself to link with
	MissingProgram     = "missing-program"     // a compiler, or what else a build calls
	MissingRequirement = "missing-requirement" // the index has none that the target takes; another day it may
	NotRepeatable      = "not-repeatable"      // two builds gave two trees
	WrongName          = "wrong-name"          // the wheel of another project or version
	WrongTarget        = "wrong-target"        // a wheel that the target does not take
	ForeignLibrary     = "foreign-library"     // machine code needs one that containers need not have
	MachineCode        = "machine-code"        // where only pure ones are made
	Limit              = "limit"               // of time, memory, processes, output or log
	BadSource          = "bad-source"          // no sound source archive
	BadWheel           = "bad-wheel"           // no wheel, several, or none that installers take
	BuildFailed        = "build-failed"        // anything else the back end says
)

func (f *Failure) Error() string { return f.Reason + ": " + f.Detail }

func fail(reason, format string, args ...any) *Failure {
	return &Failure{reason, line(fmt.Sprintf(format, args...))}
}

// symptoms tell the reason by what logs say. The first that matches counts: a build without network
// also tells of programs it would have liked.
var symptoms = []struct {
	reason string
	said   *regexp.Regexp
}{
	{MissingHeader, regexp.MustCompile(`fatal error: \S+\.h(pp|h)?: No such file|cannot find -l\S|headers or library files could not be found`)},
	{NeedsNetwork, regexp.MustCompile(`(?i)Name or service not known|Temporary failure in name resolution|Network is unreachable|` +
		`getaddrinfo|Could not resolve host|urlopen error|(failed to|unable to|could not) download|Max retries exceeded|Failed to establish a new connection|No route to host`)},
	{MissingProgram, regexp.MustCompile(`(?i)unable to execute|command '[^']+' failed: No such file|No such file or directory: b?'[a-z0-9_+-]+'$|` +
		`: (command )?not found$|executable not found|Unknown compiler|no acceptable C compiler|can't find Rust compiler|Permission denied: b?'[a-z0-9_+-]+'$`)},
	{BuildFailed, regexp.MustCompile(`^\S+:\d+:(\d+:)? error: `)}, // of a compiler, which says more than who called it
}

// failureOf reads the reason out of the log of a build that failed.
func failureOf(status int, log []byte) *Failure {
	lines := lastLines(log)
	for _, s := range symptoms {
		for _, text := range lines {
			if s.said.MatchString(text) {
				return fail(s.reason, "%s", text)
			}
		}
	}
	if len(lines) == 0 {
		return fail(BuildFailed, "it ended with status %d and said nothing", status)
	}
	return fail(BuildFailed, "%s", lines[0])
}

// lastLines are the last lines of a log that say something, the last one first.
func lastLines(log []byte) (lines []string) {
	const tail, most = 64 << 10, 400
	if len(log) > tail {
		log = log[len(log)-tail:]
	}
	all := strings.Split(string(log), "\n")
	for i := len(all) - 1; i >= 0 && len(lines) < most; i-- {
		if text := line(all[i]); strings.ContainsFunc(text, unicode.IsLetter) {
			lines = append(lines, text)
		}
	}
	return lines
}

// line is a hostile text for people.
func line(text string) string { return sandbox.Line(text, 300) }
