package pins

import (
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// pythonAllowed tells whether the environment's Python satisfies a
// requires-python clause, pre-releases of Python included.
func (s *Set) pythonAllowed(clause string) (bool, error) {
	list, err := pep440.ParseSpecifiers(clause)
	if err != nil {
		return false, err
	}
	return list.ContainsText(strings.TrimSuffix(s.Env["python_full_version"], "+"), true), nil
}

// RequiresPython refuses when the environment's Python is not allowed.
func (s *Set) RequiresPython(file string, line int, who, clause string) error {
	if clause == "" {
		return nil
	}
	ok, err := s.pythonAllowed(clause)
	if err != nil {
		return Refuse(file, line, "correct it", "requires-python: %s", err)
	}
	if !ok {
		return Refuse(file, line, "choose another target, or lock for this Python", "%s needs Python %s, the target has %s",
			who, Show(clause), Show(s.Env["python_full_version"]))
	}
	return nil
}

// AnyEnvironment refuses when the lock names environments and none of them holds.
func (s *Set) AnyEnvironment(file string, markers []string) error {
	for _, text := range markers {
		ok, err := s.Marker(file, 0, text, nil, nil)
		if ok || err != nil {
			return err
		}
	}
	if len(markers) > 0 {
		return Refuse(file, 0, "choose another target, or lock for this one too", "is for other environments: %s", Show(strings.Join(markers, " | ")))
	}
	return nil
}

// Marker evaluates a marker of a lock; no text always holds.
func (s *Set) Marker(file string, line int, text string, extras, groups []string) (bool, error) {
	if text == "" {
		return true, nil
	}
	m, err := pep508.ParseMarker(text)
	ok := false
	if err == nil {
		ok, err = m.EvaluateLock(s.Env, extras, groups)
	}
	if err != nil {
		return false, Refuse(file, line, "make the lock anew", "%s", err)
	}
	return ok, nil
}
