//go:build linux

// Command logdisk serves a file as a disk for a loop device, and logs what is written to it.
//
//	logdisk BASE LOG DIR
//
// It mounts on DIR a file system (FUSE) with two files: disk, which is BASE, and mark: what is
// written there goes into the log as a note. It ends when DIR is unmounted, and the log is
// complete then. What a log is for: package writelog.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"larder/scripts/torture/writelog"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: logdisk BASE LOG DIR")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "logdisk:", err)
		os.Exit(1)
	}
}

func serve(base, log, dir string) error {
	b, err := os.OpenFile(base, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer b.Close()
	info, err := b.Stat()
	if err != nil {
		return err
	}
	l, err := os.Create(log)
	if err != nil {
		return err
	}
	d := &disk{base: b, size: info.Size(), log: bufio.NewWriter(l)}
	options := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "logdisk", MaxWrite: 1 << 20}}
	options.OnAdd = func(ctx context.Context) { d.add(ctx) }
	server, err := fs.Mount(dir, &d.root, options)
	if err != nil {
		return err
	}
	server.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.err, d.log.Flush(), l.Close())
}

// disk is the file and its log. One event at a time: the log's order is the disk's.
type disk struct {
	root fs.Inode
	base *os.File
	size int64

	mu  sync.Mutex
	log *bufio.Writer
	err error // of the log
}

func (d *disk) add(ctx context.Context) {
	for name, node := range map[string]fs.InodeEmbedder{"disk": &diskFile{d: d}, "mark": &markFile{d: d}} {
		d.root.AddChild(name, d.root.NewPersistentInode(ctx, node, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
}

// note logs an event. The caller holds mu.
func (d *disk) note(r writelog.Record) syscall.Errno {
	if err := writelog.Append(d.log, r); err != nil {
		d.err = err
		return syscall.EIO
	}
	return 0
}

type diskFile struct {
	fs.Inode
	d *disk
}

func (f *diskFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(f.d.size)
	return 0
}

// Open asks for no page cache: every write of the loop device comes here, and none twice.
func (f *diskFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *diskFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.d.base.ReadAt(dest, at)
	if n == 0 && err != nil && at < f.d.size {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (f *diskFile) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if _, err := f.d.base.WriteAt(data, at); err != nil {
		return 0, syscall.EIO
	}
	return uint32(len(data)), f.d.note(writelog.Record{Kind: writelog.Write, Offset: at, Data: data})
}

func (f *diskFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.note(writelog.Record{Kind: writelog.Flush})
}

type markFile struct {
	fs.Inode
	d *disk
}

func (f *markFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = 0o600
	return 0
}

func (f *markFile) Setattr(context.Context, fs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return 0 // opened to be written anew
}

func (f *markFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *markFile) Write(_ context.Context, _ fs.FileHandle, data []byte, _ int64) (uint32, syscall.Errno) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return uint32(len(data)), f.d.note(writelog.Record{Kind: writelog.Mark, Data: data})
}
