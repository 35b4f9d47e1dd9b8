package iam

const account = "111122223333"
