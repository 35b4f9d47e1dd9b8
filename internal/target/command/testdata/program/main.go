// Command program is both ends of the tests: the first process of the sandbox, and the program that runs in it.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"

	"darkroom/internal/sandbox"
)

func main() {
	if sandbox.IsInit() {
		sandbox.Init()
	}
	ok := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	switch os.Args[1] {
	case "copy":
		_, err := io.Copy(os.Stdout, os.Stdin)
		ok(err)
	case "exit":
		n, err := strconv.Atoi(os.Args[2])
		ok(err)
		os.Exit(n)
	case "read": // to the end, and nothing else
		_, err := io.Copy(io.Discard, os.Stdin)
		ok(err)
	case "args": // prints its arguments and its environment
		fmt.Printf("%q", append(os.Args[2:], os.Environ()...))
	case "hang":
		select {}
	case "spin":
		for {
		}
	case "memory":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			if len(all) > 1<<16 {
				os.Exit(0)
			}
		}
	case "flood":
		b := make([]byte, 64<<10)
		for {
			if _, err := os.Stdout.Write(b); err != nil {
				os.Exit(1)
			}
		}
	case "dial":
		_, err := net.Dial("tcp", os.Args[2])
		ok(err)
	case "open":
		_, err := os.ReadFile(os.Args[2])
		ok(err)
	case "write":
		ok(os.WriteFile(os.Args[2], []byte("x"), 0o600))
	case "spawn":
		ok(exec.Command(os.Args[2]).Run())
	}
}
