package popularity

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"larder/snapshot/pypi"
)

// To renew the starter ranking, put the last three monthly files into one
// directory, name it in RANKINGS, and run go generate here.
//
//go:generate go test -run TestStarterRenewed . -args -rankings "$RANKINGS"

//go:embed starter.txt
var starterText string

// Starter returns the ranking of PyPI built into the binary: names only, in order. It
// is what a host stocks before anything else is configured; it ages, and its
// date says how much.
func Starter() Ranking {
	r, _, err := Parse(pypi.Ecosystem, "starter ranking", strings.NewReader(starterText))
	if err != nil {
		panic(fmt.Sprintf("starter.txt in this binary: %v", err)) // a test reads it
	}
	r.Origins[0].Updated = starterDate()
	return r
}

// starterDate is the date in the first line of starter.txt.
func starterDate() time.Time {
	line, _, _ := strings.Cut(starterText, "\n")
	_, date, _ := strings.Cut(line, "date: ")
	t, _ := parseTime(date)
	return t
}
