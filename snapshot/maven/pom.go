package maven

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// ErrRefused is wrapped by every refusal of a POM.
var ErrRefused = errors.New("refused")

// refusal says what is wrong with a POM, and what to do.
type refusal struct{ text, advice string }

func (r *refusal) Error() string        { return r.text }
func (r *refusal) Hint() string         { return r.advice }
func (r *refusal) Is(target error) bool { return target == ErrRefused }

// maxPOM bounds a POM; large ones have some 100 kB.
const maxPOM = 4 << 20

// Locks implements ecosystem.Locks. A POM names no files: what its build takes, a builder has Maven say.
var Locks ecosystem.Locks = locks{}

type locks struct{}

func (locks) IsLock(name string) bool {
	return path.Base(name) == "pom.xml" || strings.HasSuffix(name, ".pom")
}

func (locks) Read(files ecosystem.Files, paths []string, target snapshot.Target) (*snapshot.Requirements, error) {
	if target.Ecosystem != Name {
		return nil, fmt.Errorf("target %s is of ecosystem %.40q, not %s: %w", target.Tag, target.Ecosystem, Name, snapshot.ErrDamaged)
	}
	if len(paths) != 1 {
		return nil, &refusal{strings.Join(paths, ", ") + ": several POMs are not one project", "name them one by one"}
	}
	text, err := files.ReadFile(paths[0], maxPOM)
	if err != nil {
		return nil, fmt.Errorf("read POM: %w", err)
	}
	if err := isPOM(string(text)); err != nil {
		return nil, &refusal{fmt.Sprintf("%s is no POM of Maven's: %v", paths[0], err), "mvn validate says more"}
	}
	return &snapshot.Requirements{Digest: snapshot.Sum(text).String(), Unresolved: true}, nil
}

// isPOM looks at the beginning: all else Maven judges.
func isPOM(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			return errors.New("it is empty")
		}
		if err != nil {
			return err
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != "project" {
				return fmt.Errorf("it begins with <%.40s>, not with <project>", start.Name.Local)
			}
			return nil
		}
	}
}
