"""Commands of whoever runs the system: doctor, history, DagsHub."""
