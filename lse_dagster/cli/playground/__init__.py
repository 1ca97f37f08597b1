"""The sandbox for people: `lse demo`, `lse dev`, `lse sandbox`. Only here is it imported."""
