//go:build linux && amd64

package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// logdisk serves a file as a disk for a loop device, and logs what is written to it: "logdisk BASE
// LOG DIR".
//
// It mounts on DIR a file system (FUSE) with one file, disk, which is BASE, and then says ready.
// An extended attribute that is set on disk goes into the log as a mark. It ends when DIR is
// unmounted, and the log is complete then.
func logdisk(args []string) (status int, err error) {
	base, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return 1, err
	}
	defer base.Close()
	info, err := base.Stat()
	if err != nil {
		return 1, err
	}
	log, err := os.Create(args[1])
	if err != nil {
		return 1, err
	}
	buffered := bufio.NewWriter(log)
	d := &loggedDisk{base: base, size: info.Size(), log: gob.NewEncoder(buffered)}
	root := &fs.Inode{}
	options := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "logdisk", MaxWrite: 1 << 20}}
	options.OnAdd = func(ctx context.Context) {
		root.AddChild("disk", root.NewPersistentInode(ctx, d, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
	server, err := fs.Mount(args[2], root, options)
	if err != nil {
		return 1, err
	}
	fmt.Println("ready")
	server.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return 0, errors.Join(buffered.Flush(), log.Close())
}

// loggedDisk is the file and its log. One event at a time: the log's order is the disk's.
type loggedDisk struct {
	fs.Inode
	base *os.File
	size int64

	mu  sync.Mutex
	log *gob.Encoder
}

// note logs an event. The caller holds mu.
func (d *loggedDisk) note(r record) syscall.Errno {
	if d.log.Encode(r) != nil {
		return syscall.EIO // and the flush at the end fails
	}
	return 0
}

func (d *loggedDisk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(d.size)
	return 0
}

// Open asks for no page cache: every write of the loop device comes here, and none twice.
func (d *loggedDisk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *loggedDisk) Read(_ context.Context, _ fs.FileHandle, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := d.base.ReadAt(dest, at)
	if n == 0 && err != nil && at < d.size {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (d *loggedDisk) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.base.WriteAt(data, at); err != nil {
		return 0, syscall.EIO
	}
	return uint32(len(data)), d.note(record{written, at, data})
}

func (d *loggedDisk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(record{Event: flushed})
}

func (d *loggedDisk) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(record{Event: marked})
}
