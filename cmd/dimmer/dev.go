package main

import "fmt"

type devCmd struct{}

func (c *devCmd) Run(*app) error { return fmt.Errorf("not built in yet") }
