package main

import (
	"context"
	"errors"
	"io"

	"darkroom/internal/blob"
)

func serve(context.Context, []string, io.Writer, io.Writer) error      { return errors.New("later") }
func env(context.Context, []string, io.Writer, io.Writer) error        { return errors.New("later") }
func workerMain(context.Context, []string, io.Writer, io.Writer) error { return errors.New("later") }
func serverStore(string) (blob.Store, error)                           { return nil, errors.New("later") }
