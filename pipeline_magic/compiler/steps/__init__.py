"""A step as DataFrame code: what each kind of step becomes, one module a family of kinds."""
