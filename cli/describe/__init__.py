"""What `pilot describe` says of an object: one describer per kind people ask for, and a generic one for the rest."""
