package main

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/pypi/lock"
)

// readLocks reads the locks for one target. Several make one environment: what
// two of them pin must be the same version.
func readLocks(paths []string, env lock.Environment) (*lock.Lock, error) {
	var union *lock.Lock
	for _, path := range paths {
		l, err := lock.Read(path, env)
		if err != nil {
			return nil, err
		}
		if union == nil {
			union = l
			continue
		}
		if err := addLock(union, l); err != nil {
			return nil, err
		}
	}
	return union, nil
}

// addLock adds l's pins to union, which stays sorted.
func addLock(union, l *lock.Lock) error {
	for _, p := range l.Pins {
		at, found := slices.BinarySearchFunc(union.Pins, p.Name, func(q lock.Pin, name string) int { return strings.Compare(q.Name, name) })
		if !found {
			union.Pins = slices.Insert(union.Pins, at, p)
			continue
		}
		had := &union.Pins[at]
		if had.Version != p.Version {
			return &conflictError{fmt.Sprintf("%s is pinned to %s by %s and to %s by %s", p.Name, had.Version, where(*had), p.Version, where(p))}
		}
		if len(had.Hashes) == 0 || len(p.Hashes) == 0 {
			// One of them takes any file of the version: the other decides.
			had.Hashes = append(slices.Clip(had.Hashes), p.Hashes...)
			continue
		}
		both := slices.DeleteFunc(slices.Clone(had.Hashes), func(h string) bool { return !slices.Contains(p.Hashes, h) })
		if len(both) == 0 {
			return &conflictError{fmt.Sprintf("%s==%s has other hashes in %s than in %s", p.Name, p.Version, where(*had), where(p))}
		}
		had.Hashes = both
	}
	union.LeftOut = append(union.LeftOut, l.LeftOut...)
	return nil
}

func where(p lock.Pin) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

type conflictError struct{ text string }

func (e *conflictError) Error() string        { return e.text }
func (e *conflictError) Hint() string         { return "lock them together, or leave one out" }
func (e *conflictError) Is(target error) bool { return target == lock.ErrRefused }
