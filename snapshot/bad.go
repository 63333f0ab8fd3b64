package snapshot

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bad is why a snapshot is not attached any more. It is a mark beside the image: the image itself
// never changes, and who has it attached keeps it.
type Bad struct {
	Since time.Time `json:"since"`
	// Damage is what of it could not be mended, in a line, and Objects are the files of the pool
	// that it lacks. A build or a repair that finds them whole takes this part of the mark away.
	Damage  string   `json:"damage,omitempty"`
	Objects []string `json:"objects,omitempty"`
	// Revoked are the artifacts in it that are denied, each with the reason.
	Revoked []string `json:"revoked,omitempty"`

	// Unreadable is why the mark could not be read: nobody knows what it says.
	Unreadable error `json:"-"`
}

// maxBad bounds the mark: 100,000 objects make a tenth of it.
const maxBad = 64 << 20

// String is why, in a line.
func (b Bad) String() string {
	var why []string
	if len(b.Revoked) > 0 {
		denied := slices.Compact(slices.Clone(b.Revoked)) // a release may have several files
		list := strings.Join(denied[:min(3, len(denied))], ", ")
		if n := len(denied) - 3; n > 0 {
			list += fmt.Sprintf(" and %d more", n)
		}
		why = append(why, "revoked: "+list)
	}
	if b.Damage != "" {
		why = append(why, "damaged: "+b.Damage)
	}
	return strings.Join(why, "; ")
}

var errSaysNothing = errors.New("it says nothing")

func (b Bad) good() bool { return b.Damage == "" && len(b.Revoked) == 0 }

// Bad reads the mark of a snapshot; nil when it has none. One that cannot be read is one.
func (s *Store) Bad(id ID) *Bad {
	raw, err := readSmall(s.BadPath(id), maxBad)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var b Bad
	if err == nil {
		err = json.Unmarshal(raw, &b)
	}
	if err != nil || b.good() {
		return &Bad{Damage: fmt.Sprintf("its mark %s cannot be read (%v)", badName, cmp.Or(err, errSaysNothing)), Unreadable: cmp.Or(err, errSaysNothing)}
	}
	return &b
}

// Usable is Resolve for whoever attaches. A snapshot that is marked bad is refused (ErrDamaged),
// except where it is only what current names: then id is that of the newest good one, and instead
// says so.
func (s *Store) Usable(ref string) (id ID, instead, err error) {
	if id, err = s.Resolve(ref); err != nil {
		return id, nil, err
	}
	bad := s.Bad(id)
	if bad == nil {
		return id, nil, nil
	}
	if ref != "current" {
		return id, nil, &problem{kind: ErrDamaged, msg: "snapshot " + id.Short() + " is marked bad: " + bad.String(), hint: bad.advice()}
	}
	all, err := s.List()
	if err != nil {
		return id, nil, err
	}
	good := slices.IndexFunc(all, func(p Published) bool { return p.Bad == nil && p.Unreadable == nil })
	if good < 0 {
		return id, nil, &problem{kind: ErrDamaged, msg: "the current snapshot, " + id.Short() + ", is marked bad, and there is no good one: " + bad.String(), hint: bad.advice()}
	}
	return all[good].ID, &problem{kind: ErrDamaged, hint: bad.advice(),
		msg: fmt.Sprintf("instead of the current snapshot, %s, which is marked bad: the newest good one, %s (%s)", id.Short(), all[good].ID.Short(), bad)}, nil
}

// advice is what to do about a bad snapshot.
func (b Bad) advice() string {
	if len(b.Revoked) > 0 {
		return "larder revoke --list shows what is denied; larder ls shows the good snapshots"
	}
	return "larder repair mends what it can; larder ls shows the good snapshots"
}

// MarkDamaged notes what of a snapshot could not be mended, and the objects that it lacks; with
// no detail it takes that back. The caller holds the writer lock.
func (s *Store) MarkDamaged(id ID, detail string, lacks []Object) error {
	return s.mark(id, func(b *Bad) {
		b.Damage, b.Objects = detail, nil
		for _, o := range lacks {
			b.Objects = append(b.Objects, o.Path())
		}
		slices.Sort(b.Objects)
	})
}

// MarkRevoked notes which denied artifacts a snapshot has; with none it takes that back. The
// caller holds the writer lock.
func (s *Store) MarkRevoked(id ID, has []string) error {
	return s.mark(id, func(b *Bad) { b.Revoked = slices.Clone(has) })
}

// mark changes the mark of a snapshot durably, by one rename. One that would say nothing goes. One
// that the host cannot read now stays as it is: what it says would be lost.
func (s *Store) mark(id ID, change func(*Bad)) error {
	var b Bad
	old := s.Bad(id)
	if old != nil {
		if e := HostFault(old.Unreadable); e != 0 && e != unix.ELOOP { // a link is no file of ours
			return &problem{kind: ErrHost, msg: "read the mark of snapshot " + id.Short(), err: e}
		}
		b = *old
	}
	b.Unreadable = nil
	change(&b)
	switch {
	case b.good() && old == nil, old != nil && reflect.DeepEqual(b, *old):
		return nil
	case b.good():
		if err := removeFile(s.BadPath(id)); err != nil {
			return fmt.Errorf("mark snapshot %s: %w", id.Short(), err)
		}
		return syncDir(s.SnapshotDir(id))
	}
	if b.Since.IsZero() {
		b.Since = time.Now().UTC().Truncate(time.Second)
	}
	text, err := json.Marshal(b)
	if err == nil {
		err = s.putFile(s.BadPath(id), append(text, '\n'))
	}
	if err != nil {
		return spaceError("mark snapshot "+id.Short(), s.dir, int64(len(text)), err)
	}
	return nil
}

// MendMarks takes the mark of damage off every snapshot that has what it lacked: its image and
// the objects are read. The caller holds the writer lock.
func (s *Store) MendMarks() error {
	all, err := s.List()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Bad == nil || p.Bad.Damage == "" || p.Bad.Unreadable != nil {
			continue
		}
		if whole, err := s.hasAgain(p.ID, p.Bad.Objects); err != nil {
			return err
		} else if !whole {
			continue
		}
		if err := s.MarkDamaged(p.ID, "", nil); err != nil {
			return err
		}
	}
	return nil
}

// hasAgain says whether a snapshot's image is whole, and objects that it lacked are.
func (s *Store) hasAgain(id ID, objects []string) (bool, error) {
	err := s.CheckImage(id)
	for i := 0; err == nil && i < len(objects); i++ {
		o, perr := ParseObject(objects[i])
		if perr != nil {
			return false, nil
		}
		_, err = s.CheckObject(o)
	}
	if errors.Is(err, ErrDamaged) {
		return false, nil
	}
	return err == nil, err
}

// distrust reads what the marks say that snapshots lack, so that nothing is made of it: to a
// stage a damaged object is a missing one once it has been read.
func (st *Stage) distrust() error {
	all, err := st.store.List()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Bad == nil {
			continue
		}
		for _, path := range p.Bad.Objects {
			o, err := ParseObject(path)
			if err != nil {
				continue
			}
			if _, err := st.Check(o); err != nil && !errors.Is(err, ErrDamaged) {
				return err
			}
		}
	}
	return nil
}
