package manylinux

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
)

// machines are the ELF files of the machines that targets have, by the name of `uname -m`.
var machines = map[string]kind{
	"x86_64":      {elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"i686":        {elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"aarch64":     {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"armv7l":      {elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"ppc64le":     {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"s390x":       {elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"riscv64":     {elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"loongarch64": {elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
}

type kind struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

// Needs is what one ELF file asks the loader for.
type Needs struct {
	Libraries []string // by the names of DT_NEEDED
	Glibc     int      // X of the oldest glibc 2.X that has all versions of symbols; 0: any
	kind      kind
}

// For says whether the file is for a machine.
func (n *Needs) For(machine string) bool {
	k, ok := machines[machine]
	return ok && n.kind == k
}

// Machine is what the file is for, for messages.
func (n *Needs) Machine() string { return fmt.Sprintf("%s (%s)", n.kind.machine, n.kind.class) }

// Read reads an ELF file that nobody trusts. An error is the file's.
func Read(r io.ReaderAt) (n *Needs, err error) {
	defer func() {
		if p := recover(); p != nil { // package elf does not promise to be safe from hostile files
			n, err = nil, fmt.Errorf("is no sound ELF file: %v", p)
		}
	}()
	if err := checkSections(r); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("is no sound ELF file: %w", err)
	}
	n = &Needs{kind: kind{f.Machine, f.Class, f.Data}}
	dynamic := f.SectionByType(elf.SHT_DYNAMIC)
	if dynamic == nil {
		if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_DYNAMIC }) {
			return nil, errors.New("has no table of sections to read what it asks for")
		}
		return n, nil // an object, or a static program
	}
	t, err := newTable(f, dynamic)
	if err != nil {
		return nil, err
	}
	if n.Libraries, err = t.needed(); err != nil {
		return nil, err
	}
	section := f.SectionByType(elf.SHT_GNU_VERNEED)
	if section == nil {
		return n, nil
	}
	if t, err = newTable(f, section); err != nil {
		return nil, err
	}
	return n, t.versions(func(library, version string) error {
		if !Allowed(library) {
			return nil // who brings it answers for it
		}
		x, err := glibcOf(version)
		n.Glibc = max(n.Glibc, x)
		return err
	})
}
