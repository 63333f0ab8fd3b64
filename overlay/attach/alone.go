package attach

import (
	"cmp"

	"larder/overlay"
	"larder/snapshot/ecosystem"
)

// findAlone finds where an environment goes that is the locks' alone: the directory that was named, else the
// usual one beside the locks, or where the programs work.
func (s *Session) findAlone() (*environment, error) {
	l := s.Locks
	dir := l.Dir
	if dir == "" {
		dir = l.Ecosystem.Environments.Usual(cmp.Or(l.Beside, s.WorkDir()), l.Getenv)[0]
	}
	on, err := l.Ecosystem.Environments.Open(s, dir)
	if err != nil {
		return nil, err
	}
	at, err := s.Environment(dir, true)
	if err != nil {
		return nil, err
	}
	return &environment{Environment: on, at: at, alone: true, dir: dir}, nil
}

// attachAlone mounts what a build merged of the locks, or what was sealed of them, and nothing else. Its root is as old as it was built:
// programs that compare times of a directory with those of its files find it unchanged.
func (s *Session) attachAlone(e *environment) error {
	if len(e.want.Pins) == 0 {
		e.at.Abandon() // the locks want nothing
		return nil
	}
	if len(e.lowers) == 0 {
		e.at.Abandon()
		return &overlay.Problem{Kind: overlay.ErrRefused, Text: "the snapshot has no " + s.Locks.Ecosystem.Environments.Noun() + " of the lock", Advice: "larder build --lock makes one"}
	}
	if len(e.want.Mounts) > 0 {
		return s.attachParts(e)
	}
	return s.mount(mount{part: "environment", name: "env", at: e.at, lowers: e.lowers, sealed: e.sealed, own: e.at.Path, times: true})
}

// scripts are what is to be run in an environment at dir, once for what is written over it.
func (s *Session) scripts(e *environment, dir string) []ecosystem.Install {
	if !s.Locks.Scripts || s.Instance.Finished("env") {
		return nil
	}
	run, _ := s.Locks.Ecosystem.Environments.Scripts(dir, e.want.Scripts)
	return run
}

// ScriptsRan keeps it that the environment's scripts have run.
func (s *Session) ScriptsRan() error { return s.Instance.Finish("env") }
