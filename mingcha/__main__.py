from mingcha.main import run

run()
