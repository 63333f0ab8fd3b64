package resolve

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"larder/builder/sandbox"
)

// Failure is why a project is not resolved: a fault of its own, or of what the repository has.
type Failure struct {
	Reason string // one of the words below
	Path   string // of the POM
	Detail string // one line for people
}

// The reasons.
const (
	BadPOM       = "bad-pom"       // that nobody can read, or in which something is missing
	NotFound     = "not-found"     // the repository has not got what the project names
	NotServed    = "not-served"    // the repository could not answer
	NeedsNetwork = "needs-network" // the build asks for something beside the repository
	Limit        = "limit"
	BuildFailed  = "build-failed" // anything else that mvn says
)

func (f *Failure) Error() string { return fmt.Sprintf("%s: %s: %s", f.Path, f.Reason, f.Detail) }

// Hint says what to do next.
func (f *Failure) Hint() string {
	if f.Reason == NotFound && outside.MatchString(f.Detail) {
		return "what lies beside the directory of the POM is not copied: name the topmost POM, whose modules come with it"
	}
	switch f.Reason {
	case BadPOM:
		return "correct the POM: mvn validate says what else is wrong with it"
	case NotFound:
		return "check the coordinates, and that the configured mirror has all repositories that the project names"
	case NotServed:
		return "try again later"
	case NeedsNetwork:
		return "its build may ask for nothing but what is in the repository: switch off the plugin that does"
	case Limit:
		return "name the POM of a smaller project, in a directory of its own"
	}
	return "mvn clean install has to succeed for the project by itself, with the host's JDK"
}

// outside is said of a parent or a module of one's own that is not there.
var outside = regexp.MustCompile(`'parent\.relativePath' (of POM \S+ )?points at|-SNAPSHOT\b`)

func fail(reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Detail: line(fmt.Sprintf(format, args...))}
}

// at names the POM of a failure. Nil is none.
func at(path string, f *Failure) error {
	if f == nil {
		return nil
	}
	return &Failure{f.Reason, line(path), f.Detail}
}

// symptoms tell the reason by what mvn says. The first that matches counts.
var symptoms = []struct {
	reason string
	said   *regexp.Regexp
}{
	{NotServed, regexp.MustCompile(`(?i)status(:| code:?) *(5\d\d|429)|Could not transfer (artifact|metadata)`)},
	{NotFound, regexp.MustCompile(`Could not find artifact|Failure to find|was not found in|Non-resolvable|No versions available|not found in any plugin repository|Unresolveable build extension`)},
	{BadPOM, regexp.MustCompile(`^\[FATAL\]|Non-parseable|Malformed POM|form a cycle|is missing\.|must be |Unrecognised tag|cyclic reference|Child module |form a cyclic`)},
	{NeedsNetwork, regexp.MustCompile(`UnknownHostException|Temporary failure in name resolution|Network is unreachable|Connection refused|NoRouteToHost|[Uu]nknown host`)},
}

// failureOf is what of a build's end is a failure.
func failureOf(r *sandbox.Result, l sandbox.Limits) *Failure {
	switch {
	case r.Limit == sandbox.LimitTime:
		return fail(Limit, "its build did not end within %s", l.Time)
	case r.Limit != "":
		return fail(Limit, "its build met the limit of %s", r.Limit)
	case r.Status == 0:
		return nil
	}
	lines := errorLines(r.Log)
	for _, s := range symptoms {
		for _, text := range lines {
			if s.said.MatchString(text) {
				return fail(s.reason, "%s", trim(text))
			}
		}
	}
	if len(lines) == 0 {
		return fail(BuildFailed, "mvn ended with status %d and said nothing", r.Status)
	}
	return fail(BuildFailed, "%s", trim(lines[0]))
}

// errorLines are the lines by which mvn says what went wrong, the first first; without any, the last line.
func errorLines(log []byte) (lines []string) {
	const tail, most = 1 << 20, 400
	if len(log) > tail {
		log = log[len(log)-tail:]
	}
	last := ""
	for text := range strings.Lines(string(log)) {
		text = line(text)
		if trim(text) == "" {
			continue
		}
		if strings.ContainsFunc(text, unicode.IsLetter) && !strings.HasPrefix(text, "at ") { // of a stack
			last = text
		}
		if (strings.HasPrefix(text, "[ERROR]") || strings.HasPrefix(text, "[FATAL]")) && !noise.MatchString(text) && len(lines) < most {
			lines = append(lines, text)
		}
	}
	if lines == nil && last != "" {
		lines = []string{last}
	}
	return lines
}

// noise are lines of errors that say nothing.
var noise = regexp.MustCompile(`^(\[ERROR\] )?\[ERROR\]( *$| COMPILATION ERROR| Some problems were|\s+The project .* has \d+ error| \[Help| To see the full| Re-run Maven| For more information| After correcting|.* tests? failures?|.*Tests run:)`)

// trim takes from a line of mvn's what is not for people.
func trim(text string) string {
	text = strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(text, "[ERROR]"), "[FATAL]"), " "))
	text = strings.TrimPrefix(strings.TrimPrefix(text, "[FATAL] "), "[ERROR] ")
	text, _, _ = strings.Cut(text, " -> [Help")
	return text
}

// line is a hostile text for people.
func line(text string) string { return sandbox.Line(text, 400) }
