package manylinux

import (
	"debug/elf"
	"fmt"
	"io"
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
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("is no sound ELF file: %w", err)
	}
	n = &Needs{kind: kind{f.Machine, f.Class, f.Data}}
	if f.Section(".dynamic") == nil && f.SectionByType(elf.SHT_DYNAMIC) == nil {
		for _, p := range f.Progs {
			if p.Type == elf.PT_DYNAMIC {
				return nil, fmt.Errorf("has no table of sections to read what it asks for")
			}
		}
		return n, nil // an object, or a static program
	}
	if n.Libraries, err = f.DynString(elf.DT_NEEDED); err != nil {
		return nil, fmt.Errorf("is no sound ELF file: %w", err)
	}
	if f.SectionByType(elf.SHT_GNU_VERNEED) == nil {
		return n, nil
	}
	versions, err := f.DynamicVersionNeeds()
	if err != nil {
		return nil, fmt.Errorf("is no sound ELF file: %w", err)
	}
	for _, library := range versions {
		if !Allowed(library.Name) {
			continue // who brings it answers for it
		}
		for _, v := range library.Needs {
			x, err := glibcOf(v.Dep)
			if err != nil {
				return nil, err
			}
			n.Glibc = max(n.Glibc, x)
		}
	}
	return n, nil
}
