package main

import (
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/snapshot"
)

// settings is the operator's file, read again when it is another one, and the store that is open.
type settings struct {
	path string // "" for the default

	mu    sync.Mutex
	read  stamp
	known bool
	cfg   config.Config
	err   error
	dir   string // of the store
	store *snapshot.Store
}

// stamp tells one state of a file from another.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// load returns what the file says now. One that cannot be read is an error each time.
func (s *settings) load() (config.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.stamp()
	if !s.known || now != s.read {
		s.cfg, s.err = config.Load(s.path)
		s.read, s.known = now, true
	}
	return s.cfg, s.err
}

// stamp of a file that is not there is zero.
func (s *settings) stamp() stamp {
	path := s.path
	if path == "" {
		path = config.DefaultPath
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return stamp{}
	}
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
}

// open opens the store that the flag, LARDER_STORE or the file names, once.
func (s *settings) open(named string) (*snapshot.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if named == "" {
		named = s.cfg.Store
	}
	if s.store != nil && s.dir == named {
		return s.store, nil
	}
	store, err := snapshot.Open(named)
	if err == nil {
		s.dir, s.store = named, store
	}
	return store, err
}

// selinuxOn says whether this host labels files.
func selinuxOn() bool {
	var st unix.Statfs_t
	err := unix.Statfs("/sys/fs/selinux", &st)
	return !errors.Is(err, fs.ErrNotExist) && err == nil && st.Type == unix.SELINUX_MAGIC
}
