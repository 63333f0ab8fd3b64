// Command makestarter writes the starter ranking: the first names of the merge
// of several monthly rankings, under one line that says where they are from.
//
//	go run ./popularity/makestarter -o popularity/starter.txt MONTH.json...
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"larder/popularity/sources"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("makestarter: ")
	out := flag.String("o", "starter.txt", "file to write")
	top := flag.Int("top", 1000, "how many names")
	from := flag.String("from", "top-pypi-packages (all installers)", "what the rankings are, for the header")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("name at least two monthly rankings")
	}
	ranking, warnings, err := sources.Load(context.Background(), flag.Args(), sources.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range warnings {
		log.Print(w)
	}
	var b strings.Builder
	var newest time.Time
	var days []string
	for _, o := range ranking.Origins {
		days = append(days, o.Updated.Format(time.DateOnly))
		if o.Updated.After(newest) {
			newest = o.Updated
		}
	}
	fmt.Fprintf(&b, "# top %d projects by median rank; source: %s of %s; date: %s\n", *top, *from, strings.Join(days, ", "), newest.Format(time.DateOnly))
	for _, e := range ranking.Top(*top).Entries {
		fmt.Fprintln(&b, e.Project)
	}
	if err := os.WriteFile(*out, []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}
