from mosquitto_broker import broker

__all__ = ["broker"]
